# What the program makes for a hadoop-yarn platform with `hosts.configure: false`, resource by resource.
# benchmarks/resources.py writes the variables out of the program's own settings, address plan, table of ports and
# user_data, so that both sides ask the cloud for the same; it compares the numbers of resources by type too.

variable "name" {
  type        = string
  description = "Name of the deployment, and the beginning of every physical name"
}

variable "cloud" {
  type        = string
  description = "Entry of clouds.yaml"
}

variable "max_retries" {
  type        = number
  description = "How often the provider repeats a request that a busy cloud refused"
}

variable "image" {
  type = string
}

variable "network" {
  type = object({
    external        = string
    cidr            = string
    gateway         = string
    dhcp_first      = string
    dhcp_last       = string
    dns             = list(string)
    storage_network = string
    storage_cidr    = string
    cephfs_router   = string
  })
}

variable "groups" {
  type        = set(string)
  description = "Names of the security groups"
}

variable "rules" {
  type = list(object({
    name      = string
    group     = string
    ethertype = string
    first     = number
    last      = number
    source    = string
  }))
  description = "Ingress rules; without a source from anywhere, without ports to all of them"
}

variable "hosts" {
  type = map(object({
    role       = string
    group      = string
    address    = string
    flavor     = string
    volume_gib = number
  }))
}

variable "user_data" {
  type        = string
  description = "A host's user_data with @hostname@, @deploy_key@, @host_key_private@ and @host_key_public@ in it"
}

terraform {
  required_providers {
    openstack = { source = "terraform-provider-openstack/openstack" }
    tls       = { source = "hashicorp/tls" }
  }
}

provider "openstack" {
  cloud       = var.cloud
  max_retries = var.max_retries
}

# ---- what the cloud has

data "openstack_compute_flavor_v2" "role" {
  for_each = { for host in var.hosts : host.role => host.flavor... }
  name     = each.value[0]
}

data "openstack_images_image_v2" "hosts" {
  name        = var.image
  most_recent = true
}

data "openstack_networking_network_v2" "external" {
  name = var.network.external
}

data "openstack_networking_network_v2" "storage" {
  name = var.network.storage_network
}

# ---- tenant network

resource "openstack_networking_network_v2" "tenant" {
  name           = var.name
  admin_state_up = true
}

resource "openstack_networking_subnet_v2" "tenant" {
  name            = var.name
  network_id      = openstack_networking_network_v2.tenant.id
  ip_version      = 4
  cidr            = var.network.cidr
  gateway_ip      = var.network.gateway
  dns_nameservers = var.network.dns
  allocation_pool {
    start = var.network.dhcp_first
    end   = var.network.dhcp_last
  }
}

resource "openstack_networking_router_v2" "tenant" {
  name                = var.name
  external_network_id = data.openstack_networking_network_v2.external.id
  admin_state_up      = true
}

resource "openstack_networking_router_interface_v2" "tenant" {
  router_id = openstack_networking_router_v2.tenant.id
  subnet_id = openstack_networking_subnet_v2.tenant.id
}

# ---- CephFS router

resource "openstack_networking_router_v2" "cephfs" {
  name                = "${var.name}-cephfs"
  external_network_id = data.openstack_networking_network_v2.storage.id
  admin_state_up      = true
}

resource "openstack_networking_port_v2" "cephfs" {
  name               = "${var.name}-cephfs"
  network_id         = openstack_networking_network_v2.tenant.id
  no_security_groups = true
  fixed_ip {
    subnet_id  = openstack_networking_subnet_v2.tenant.id
    ip_address = var.network.cephfs_router
  }
}

resource "openstack_networking_router_interface_v2" "cephfs" {
  router_id = openstack_networking_router_v2.cephfs.id
  port_id   = openstack_networking_port_v2.cephfs.id
}

resource "openstack_networking_router_route_v2" "cephfs" {
  router_id        = openstack_networking_router_v2.tenant.id
  destination_cidr = var.network.storage_cidr
  next_hop         = var.network.cephfs_router
  depends_on       = [openstack_networking_router_interface_v2.cephfs, openstack_networking_router_interface_v2.tenant]
}

# ---- security groups

resource "openstack_networking_secgroup_v2" "group" {
  for_each    = var.groups
  name        = "${var.name}-${each.key}"
  description = "${var.name}: ${each.key} hosts"
}

resource "openstack_networking_secgroup_rule_v2" "rule" {
  for_each          = { for rule in var.rules : rule.name => rule }
  security_group_id = openstack_networking_secgroup_v2.group[each.value.group].id
  direction         = "ingress"
  ethertype         = each.value.ethertype
  protocol          = "tcp"
  port_range_min    = each.value.first
  port_range_max    = each.value.last
  remote_group_id   = each.value.source == null ? null : openstack_networking_secgroup_v2.group[each.value.source].id
}

# ---- keys

resource "tls_private_key" "deploy" {
  algorithm = "ED25519"
}

resource "openstack_compute_keypair_v2" "deploy" {
  name       = "${var.name}-deploy"
  public_key = tls_private_key.deploy.public_key_openssh
}

resource "tls_private_key" "host" {
  for_each  = var.hosts
  algorithm = "ED25519"
}

# ---- hosts

locals {
  # what goes into a JSON text is escaped as JSON does
  user_data = {
    for name in keys(var.hosts) : name => replace(replace(replace(replace(var.user_data,
      "@hostname@", name),
      "@deploy_key@", trimspace(tls_private_key.deploy.public_key_openssh)),
      "@host_key_private@", trim(jsonencode(tls_private_key.host[name].private_key_openssh), "\"")),
    "@host_key_public@", trimspace(tls_private_key.host[name].public_key_openssh))
  }
}

resource "openstack_networking_port_v2" "host" {
  for_each           = var.hosts
  name               = "${var.name}-${each.key}"
  network_id         = openstack_networking_network_v2.tenant.id
  admin_state_up     = true
  security_group_ids = [openstack_networking_secgroup_v2.group[each.value.group].id]
  fixed_ip {
    subnet_id  = openstack_networking_subnet_v2.tenant.id
    ip_address = each.value.address
  }
}

resource "openstack_compute_instance_v2" "host" {
  for_each     = var.hosts
  name         = "${var.name}-${each.key}"
  flavor_name  = data.openstack_compute_flavor_v2.role[each.value.role].name
  image_id     = data.openstack_images_image_v2.hosts.id
  key_pair     = openstack_compute_keypair_v2.deploy.name
  config_drive = true
  user_data    = local.user_data[each.key]
  metadata     = { role = each.value.role }
  network {
    port = openstack_networking_port_v2.host[each.key].id
  }
  depends_on = [openstack_networking_router_interface_v2.tenant]
  lifecycle {
    ignore_changes = [image_id, key_pair, user_data]
  }
}

resource "openstack_blockstorage_volume_v3" "host" {
  for_each             = var.hosts
  name                 = "${var.name}-${each.key}"
  size                 = each.value.volume_gib
  enable_online_resize = true
}

resource "openstack_compute_volume_attach_v2" "host" {
  for_each    = var.hosts
  instance_id = openstack_compute_instance_v2.host[each.key].id
  volume_id   = openstack_blockstorage_volume_v3.host[each.key].id
}

# ---- the gateway's floating IP

resource "openstack_networking_floatingip_v2" "gateway" {
  pool        = var.network.external
  description = "${var.name} gateway"
  depends_on  = [openstack_networking_router_interface_v2.tenant]
}

resource "openstack_networking_floatingip_associate_v2" "gateway" {
  floating_ip = openstack_networking_floatingip_v2.gateway.address
  port_id     = openstack_networking_port_v2.host["zeppelin"].id
  depends_on  = [openstack_networking_router_interface_v2.tenant]
}
