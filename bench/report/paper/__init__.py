"""The paper: a study's rows as a PDF, a page, and tables to take elsewhere."""
