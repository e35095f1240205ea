"""Labels of steps without a person: from where a step leads to, when the policy goes on from there (Math-Shepherd)."""
