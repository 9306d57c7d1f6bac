"""Where the data on the screens comes from: threads that read the database, child processes, and files."""
