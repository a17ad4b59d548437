"""How often a report is wrong, and how often it finds what is there, by simulated studies."""
