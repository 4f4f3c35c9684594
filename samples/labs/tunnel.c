/* A module for a router whose way on has room for less than Ethernet's 1500 bytes. What is longer should be answered with
 * ICMP "fragmentation needed" (RFC 1191); this one loses it and says nothing: a black hole.
 */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/skbuff.h>
#include <net/net_namespace.h>

enum { ROOM = 1400 };

static noinline unsigned int tunnel_fits(void *priv, struct sk_buff *packet, const struct nf_hook_state *state)
{
	return packet->len > ROOM ? NF_DROP : NF_ACCEPT;
}

static const struct nf_hook_ops hook = {
	.hook = tunnel_fits,
	.pf = NFPROTO_IPV4,
	.hooknum = NF_INET_FORWARD,
};

static int __init begin(void)
{
	return nf_register_net_hook(&init_net, &hook);
}

module_init(begin);
MODULE_LICENSE("GPL");
