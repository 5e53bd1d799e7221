"""The paper's claim checked, figure by figure."""
