"""What was found: results, tables, figures, report."""
