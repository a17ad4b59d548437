"""How long the commands take on a store of many rows."""
