"""What people read: terminal, markdown, HTML, JUnit."""
