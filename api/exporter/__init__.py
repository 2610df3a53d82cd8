"""What /metrics says, family by family; routes.prometheus puts it together."""
