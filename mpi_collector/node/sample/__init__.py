"""Take samples on the tick grid."""
