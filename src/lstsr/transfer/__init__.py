"""From stable addresses to files on disk: resumable, checked, and keeping keys to itself."""
