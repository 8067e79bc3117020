"""Rules of the operators that a graph may have: shapes, costs, small contents."""
