"""Draw completions with the policy as it stands, grade them, and leave them for other stages."""
