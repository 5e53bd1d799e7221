"""Which of several systems is the better one for several workloads, how sure that is, and where it turns."""
