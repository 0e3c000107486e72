/*
 * tls/kernel.h: whether records could be sealed by the kernel (kTLS).
 *
 * They are not: records go through a BIO of our own (tls/stream.h), and OpenSSL gives keys to the kernel of a socket's BIO only. So
 * this tells who runs it what there is to gain.
 */
#ifndef TG_TLS_KERNEL_H
#define TG_TLS_KERNEL_H

#include <stdbool.h>

/* The kernel has it, loaded or built in. */
bool tls_kernel_offers(void);
/* This OpenSSL was built with it. */
bool tls_library_offers_kernel(void);

#endif
