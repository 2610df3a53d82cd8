"""The simulator of demo with what tests need: editing the account, faults, limits, control and expected rows."""
