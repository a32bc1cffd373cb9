pub struct HostTemplate; pub struct HostResponse;
