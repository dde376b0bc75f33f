"""Run folders as pages, tables and pictures."""
