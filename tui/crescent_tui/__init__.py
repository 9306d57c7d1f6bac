"""The terminal app: watches the database and drives the engine. It keeps no results, so losing it costs nothing."""
