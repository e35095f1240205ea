"""From a completion's text to a number to learn from: named parts, the grader's verdict, a user's function in a killable process."""
