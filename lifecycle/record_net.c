/* The wires of a record, as JSON and back. */
#include "lifecycle/record_net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/json.h"

static void mac_to_text(char out[18], const uint8_t mac[6])
{
    snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void mac_from_text(uint8_t mac[6], const char *text)
{
    unsigned b[6] = {0};
    if (sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) == 6)
        for (int i = 0; i < 6; i++)
            mac[i] = (uint8_t)b[i];
}

static json_t *link_to_json(const struct net_link *l)
{
    char mac[18];
    mac_to_text(mac, l->mac);
    json_t *addrs = json_array(), *routes = json_array();
    for (size_t i = 0; i < l->addr_count; i++) {
        const struct net_addr *a = &l->addrs[i];
        json_array_append_new(addrs, json_pack("{s:i,s:s,s:i,s:i}", "family", a->family, "address", a->text,
                                               "prefix", (int)a->prefix, "scope", (int)a->scope));
    }
    for (size_t i = 0; i < l->route_count; i++) {
        const struct net_route *r = &l->routes[i];
        json_array_append_new(routes, json_pack("{s:i,s:b,s:s,s:i,s:s,s:I,s:i,s:i,s:I}", "family", r->family,
                                                "default", r->is_default, "dst", r->dst, "prefix",
                                                (int)r->prefix, "gateway", r->gateway, "metric",
                                                (json_int_t)r->metric, "protocol", (int)r->protocol, "scope",
                                                (int)r->scope, "table", (json_int_t)r->table));
    }
    return json_pack("{s:s,s:i,s:s,s:i,s:b,s:o,s:o}", "name", l->name, "ifindex", l->ifindex, "mac", mac,
                     "mtu", (int)l->mtu, "up", l->up, "addresses", addrs, "routes", routes);
}

json_t *ctr_record_wires_to_json(const struct ctr_record *record)
{
    json_t *array = json_array();
    for (size_t i = 0; i < record->wire_count; i++) {
        const struct net_wire *w = &record->wires[i].wire;
        char mac[18];
        mac_to_text(mac, w->mac);
        json_t *o =
            json_pack("{s:s,s:s,s:i,s:s,s:i,s:s,s:i,s:s,s:i}", "mode", w->mode, "tap", w->tap, "tapIndex",
                      w->tap_ifindex, "link", w->link, "linkIndex", w->link_ifindex, "bridge", w->bridge,
                      "bridgeIndex", w->bridge_ifindex, "mac", mac, "mtu", (int)w->mtu);
        if (o && w->relayed && json_object_set_new(o, "relayed", json_true()) < 0) {
            json_decref(o);
            o = NULL;
        }
        if (o && w->ports_low > 0 &&
            json_object_set_new(o, "ports", json_pack("[i,i]", (int)w->ports_low, (int)w->ports_high)) < 0) {
            json_decref(o);
            o = NULL;
        }
        if (o && *w->link && json_object_set_new(o, "before", link_to_json(&record->wires[i].link)) < 0) {
            json_decref(o);
            o = NULL;
        }
        if (json_array_append_new(array, o) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static int malformed(struct rk_err *err, const char *what)
{
    return rk_fail(err, -EINVAL, "%s: malformed", what);
}

static int addrs_from_json(struct net_link *l, json_t *array)
{
    json_t *v;
    size_t i;
    l->addrs = calloc(json_array_size(array) + 1, sizeof *l->addrs);
    if (!l->addrs)
        return -ENOMEM;
    json_array_foreach(array, i, v)
    {
        struct net_addr *a = &l->addrs[i];
        const char *text;
        int prefix, scope;
        if (json_unpack(v, "{s:i,s:s,s:i,s:i}", "family", &a->family, "address", &text, "prefix", &prefix,
                        "scope", &scope) < 0)
            return -EINVAL;
        a->prefix = (unsigned)prefix;
        a->scope = (uint8_t)scope;
        snprintf(a->text, sizeof a->text, "%s", text);
        l->addr_count = i + 1;
    }
    return 0;
}

static int routes_from_json(struct net_link *l, json_t *array)
{
    json_t *v;
    size_t i;
    l->routes = calloc(json_array_size(array) + 1, sizeof *l->routes);
    if (!l->routes)
        return -ENOMEM;
    json_array_foreach(array, i, v)
    {
        struct net_route *r = &l->routes[i];
        const char *dst, *gateway;
        int is_default, prefix, protocol, scope;
        json_int_t metric, table;
        if (json_unpack(v, "{s:i,s:b,s:s,s:i,s:s,s:I,s:i,s:i,s:I}", "family", &r->family, "default",
                        &is_default, "dst", &dst, "prefix", &prefix, "gateway", &gateway, "metric", &metric,
                        "protocol", &protocol, "scope", &scope, "table", &table) < 0)
            return -EINVAL;
        r->is_default = is_default;
        r->prefix = (unsigned)prefix;
        r->metric = (unsigned)metric;
        r->protocol = (uint8_t)protocol;
        r->scope = (uint8_t)scope;
        r->table = (uint32_t)table;
        snprintf(r->dst, sizeof r->dst, "%s", dst);
        snprintf(r->gateway, sizeof r->gateway, "%s", gateway);
        l->route_count = i + 1;
    }
    return 0;
}

static int link_from_json(struct net_link *l, json_t *json)
{
    const char *name, *mac;
    int mtu, up;
    json_t *addrs, *routes;
    if (json_unpack(json, "{s:s,s:i,s:s,s:i,s:b,s:o,s:o}", "name", &name, "ifindex", &l->ifindex, "mac", &mac,
                    "mtu", &mtu, "up", &up, "addresses", &addrs, "routes", &routes) < 0)
        return -EINVAL;
    snprintf(l->name, sizeof l->name, "%s", name);
    mac_from_text(l->mac, mac);
    l->mtu = (unsigned)mtu;
    l->up = up;
    int r = addrs_from_json(l, addrs);
    return r < 0 ? r : routes_from_json(l, routes);
}

int ctr_record_wires_from_json(struct ctr_record *record, json_t *json, struct rk_err *err)
{
    json_t *array = NULL, *v;
    size_t i;
    int r = rk_json_array(json, "", "wires", &array, err);
    if (r < 0 || json_array_size(array) == 0)
        return r;
    record->wires = calloc(json_array_size(array), sizeof *record->wires);
    if (!record->wires)
        return rk_fail(err, -ENOMEM, "out of memory");
    json_array_foreach(array, i, v)
    {
        struct net_wire *w = &record->wires[i].wire;
        const char *mode, *tap, *link, *bridge, *mac;
        int mtu, low = 0, high = 0, relayed = 0;
        json_t *before = NULL, *ports = NULL;
        w->fd = -1;
        record->wire_count = i + 1;
        if (json_unpack(v, "{s:s,s:s,s:i,s:s,s:i,s:s,s:i,s:s,s:i,s?b,s?o,s?o}", "mode", &mode, "tap", &tap,
                        "tapIndex", &w->tap_ifindex, "link", &link, "linkIndex", &w->link_ifindex, "bridge",
                        &bridge, "bridgeIndex", &w->bridge_ifindex, "mac", &mac, "mtu", &mtu, "relayed",
                        &relayed, "before", &before, "ports", &ports) < 0)
            return malformed(err, "wires");
        if (ports && (json_unpack(ports, "[i,i]", &low, &high) < 0 || low < 1 || high < low || high > 65535))
            return malformed(err, "wires[].ports");
        snprintf(w->mode, sizeof w->mode, "%s", mode);
        snprintf(w->tap, sizeof w->tap, "%s", tap);
        snprintf(w->link, sizeof w->link, "%s", link);
        snprintf(w->bridge, sizeof w->bridge, "%s", bridge);
        mac_from_text(w->mac, mac);
        w->mtu = (unsigned)mtu;
        w->relayed = relayed;
        w->ports_low = (unsigned)low;
        w->ports_high = (unsigned)high;
        if (before && link_from_json(&record->wires[i].link, before) < 0)
            return malformed(err, "wires[].before");
    }
    return 0;
}

void ctr_record_wires_fini(struct ctr_record *record)
{
    for (size_t i = 0; i < record->wire_count; i++) {
        rk_close(&record->wires[i].wire.fd);
        free(record->wires[i].link.addrs);
        free(record->wires[i].link.routes);
    }
    free(record->wires);
    record->wires = NULL;
    record->wire_count = 0;
}

int ctr_link_copy(struct net_link *ret_link, const struct net_link *link)
{
    struct net_link copy = *link;
    copy.addrs = calloc(link->addr_count + 1, sizeof *copy.addrs);
    copy.routes = calloc(link->route_count + 1, sizeof *copy.routes);
    if (!copy.addrs || !copy.routes) {
        free(copy.addrs);
        free(copy.routes);
        return -ENOMEM;
    }
    if (link->addr_count)
        memcpy(copy.addrs, link->addrs, link->addr_count * sizeof *copy.addrs);
    if (link->route_count)
        memcpy(copy.routes, link->routes, link->route_count * sizeof *copy.routes);
    *ret_link = copy;
    return 0;
}
