"""Workers: processes that draw samples with llama.cpp for `worker_pool`, on this machine or, through Ray, on others.

`messages` says what is sent, `loop` is the worker's side, and `program` puts it into a process, which `local` starts.
`ray_actors` puts it into a Ray actor. Knows no questions, votes or database.
"""
