"""From a completion's text to a number to learn from: named parts, the grader's verdict, and a user's own function in a killable process."""
