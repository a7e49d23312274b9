"""Other systems for the same job, asked the same questions. Nothing of ours imports this; see README.md."""
