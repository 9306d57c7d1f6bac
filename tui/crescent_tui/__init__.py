"""The terminal app: watches the database and drives the engine. It keeps nothing; losing it costs nothing."""
