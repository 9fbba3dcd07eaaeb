"""OSC over UDP: the table's addresses as datagrams, in both directions."""
