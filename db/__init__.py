"""Models, migrations, queries, and the one meaning of every figure."""
