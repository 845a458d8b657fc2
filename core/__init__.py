"""The vocabulary that every layer shares. Imports nothing of the other layers."""
