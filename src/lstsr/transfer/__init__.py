"""Download files by their stable addresses: resumable, checked, and without leaking keys."""
