"""How people use Footnoted: the page and the `footnoted` command."""
