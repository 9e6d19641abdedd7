"""The main job, shown: a stack, an upstream system, 24 patterns, a contact sheet, three answers."""
