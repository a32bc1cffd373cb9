pub struct HostMetric;
