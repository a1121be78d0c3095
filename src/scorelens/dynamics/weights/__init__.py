"""Laws of whole weight matrices, for networks whose modes do not learn apart."""
