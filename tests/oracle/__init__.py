"""Every figure computed a second time, by plain loops over the stored rows, and compared with the product's answers.

Nothing here imports a formula, a query or a table of the product: the rows are read as SQL and JSON."""
