"""GitHub: what its workflows need of evalkit. Pull requests, records, approvals, publishing, diagnosis."""
