/* Segments of TCP: to be read and to be sent. */
#include "segment.h"

bool segment_parse(struct segment *ret, const struct ip_peer *peer, const uint8_t *tcp, size_t len)
{
    if (len < TCP_LEN)
        return false;
    size_t header = (size_t)(tcp[12] >> 4) * 4;
    if (header < TCP_LEN || header > len ||
        ip_fold(ip_sum(ip_pseudo(peer, IP_PROTO_TCP, len), tcp, len)) != 0)
        return false;
    *ret = (struct segment){
        .from = ip_get16(tcp),
        .to = ip_get16(tcp + 2),
        .seq = ip_get32(tcp + 4),
        .ack = ip_get32(tcp + 8),
        .flags = tcp[13],
        .window = ip_get16(tcp + 14),
        .header = tcp,
        .header_len = header,
        .data = tcp + header,
        .len = len - header,
    };
    return true;
}

uint32_t segment_mss(const struct segment *s)
{
    uint32_t mss = SEGMENT_MSS;
    for (size_t i = TCP_LEN; i < s->header_len;) {
        uint8_t kind = s->header[i];
        if (kind == 0)
            break;
        if (kind == 1) {
            i++;
            continue;
        }
        if (i + 1 >= s->header_len || s->header[i + 1] < 2 || i + s->header[i + 1] > s->header_len)
            break;
        if (kind == 2 && s->header[i + 1] == 4)
            mss = ip_get16(s->header + i + 2);
        i += s->header[i + 1];
    }
    return mss;
}

void segment_send(const struct ip_peer *peer, uint16_t from, uint16_t to, uint32_t seq, uint32_t ack,
                  uint8_t flags, size_t space, size_t header_len, size_t len)
{
    uint8_t *tcp = ip_payload();
    ip_put16(tcp, from);
    ip_put16(tcp + 2, to);
    ip_put32(tcp + 4, seq);
    ip_put32(tcp + 8, flags & ACK ? ack : 0);
    tcp[12] = (uint8_t)(header_len / 4 << 4);
    tcp[13] = flags;
    ip_put16(tcp + 14, (uint16_t)space);
    ip_put16(tcp + 16, 0);
    ip_put16(tcp + 18, 0);
    uint32_t sum = ip_pseudo(peer, IP_PROTO_TCP, header_len + len);
    ip_put16(tcp + 16, ip_fold(ip_sum(sum, tcp, header_len + len)));
    ip_send(peer, IP_PROTO_TCP, header_len + len);
}

void segment_reset(const struct ip_peer *peer, const struct segment *s)
{
    uint32_t covered = s->seq + (uint32_t)s->len + !!(s->flags & SYN) + !!(s->flags & FIN);
    if (s->flags & ACK)
        segment_send(peer, s->to, s->from, s->ack, 0, RST, 0, TCP_LEN, 0);
    else
        segment_send(peer, s->to, s->from, 0, covered, RST | ACK, 0, TCP_LEN, 0);
}
