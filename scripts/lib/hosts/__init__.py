"""Three hypervisors on one machine: agents in network namespaces of their own, and a dashboard in front of them."""
