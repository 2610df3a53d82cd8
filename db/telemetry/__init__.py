"""What the programs write about themselves, in one form for all three. Imports nothing of the product."""
