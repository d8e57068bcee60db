"""What is done: agent, graph, mode, budget, tools, models and prices."""
