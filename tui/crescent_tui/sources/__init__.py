"""What the screens are fed by: threads that read the database, the engine as a child, and the files of the app."""
