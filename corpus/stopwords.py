"""Words that say nothing of what a text is about."""

# Words that say nothing of what a question is about. Without them a question with one rare word finds that word.
_FUNCTION_WORDS = """
    a about an and any are as at be been but by can could did do does for from had has have he her his how i if in into
    is it its me my no not of on or our she should so some than that the their them then there these they this those to
    was we were what when where which who whom whose why will with would you your"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())  # without "us", which may be the country
