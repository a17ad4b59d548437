"""A sweep: it finds what is missing, tries it out, and hands it to the processes that train."""
