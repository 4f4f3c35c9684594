"""Intel's 82540EM, which guests call e1000."""
