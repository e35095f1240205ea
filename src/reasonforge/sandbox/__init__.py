"""Where code that a model wrote runs: isolated, limited, killed when late; the verdict on it is always computed outside."""
