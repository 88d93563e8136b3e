//! Finds a free TCP port on a loopback address. The port is only likely to stay free: whoever starts a program on it
//! tries again with another one when the program says "address already in use".

use std::net::{Ipv4Addr, TcpListener};

use crate::RigError;

/// `preferred` if it is free on `address`, else one that the system picks.
pub(crate) fn free(address: Ipv4Addr, preferred: u16) -> Result<u16, RigError> {
    TcpListener::bind((address, preferred))
        .or_else(|_| TcpListener::bind((address, 0)))
        .and_then(|listener| listener.local_addr())
        .map(|bound| bound.port())
        .map_err(|source| RigError::Port { address, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_avoided() {
        let address = Ipv4Addr::LOCALHOST;
        let taken = TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
        assert_eq!(free(address, taken).unwrap(), taken);
        let held = TcpListener::bind((address, taken)).unwrap();
        assert_ne!(free(address, taken).unwrap(), held.local_addr().unwrap().port());
    }
}
