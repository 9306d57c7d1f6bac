"""Following a run from outside: the new lines of its log, and the speed of its stage."""
