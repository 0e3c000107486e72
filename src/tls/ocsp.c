#include "tls/ocsp.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <time.h>

/* A clock of theirs that goes ahead of ours so much is no reason to wait. */
#define SKEW_US (UINT64_C(300) * 1000000)

/* NULL: it is not there. */
static X509 *
issuer_of(const struct certificate *c)
{
	X509 *above = sk_X509_num(c->chain) > 0 ? sk_X509_value(c->chain, 0) : NULL;

	return above != NULL && X509_check_issued(above, c->leaf) == X509_V_OK ? above : NULL;
}

/* Whom the issuer lets say it, with the certificates that stand in it. */
static bool
is_signed(OCSP_BASICRESP *basic, X509 *issuer)
{
	X509_STORE *store = X509_STORE_new();
	STACK_OF(X509) *known = sk_X509_new_null();
	bool ok = store != NULL && known != NULL && sk_X509_push(known, issuer) > 0 &&
		  X509_STORE_add_cert(store, issuer) == 1 &&
		  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
		  OCSP_basic_verify(basic, known, store, 0) == 1;

	sk_X509_free(known);
	X509_STORE_free(store);
	ERR_clear_error();
	return ok;
}

/* By any of the digests it may be named by. */
static OCSP_SINGLERESP *
find_single(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer)
{
	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
		const OCSP_CERTID *id = OCSP_SINGLERESP_get0_id(single);
		ASN1_OBJECT *digest = NULL;
		const EVP_MD *md;
		OCSP_CERTID *ours;
		int differ;

		if (OCSP_id_get0_info(NULL, &digest, NULL, NULL, (OCSP_CERTID *)(uintptr_t)id) !=
			    1 ||
		    (md = EVP_get_digestbyobj(digest)) == NULL)
			continue;
		ours = OCSP_cert_to_id(md, leaf, issuer);
		differ = ours == NULL || OCSP_id_cmp(ours, id) != 0;
		OCSP_CERTID_free(ours);
		if (!differ)
			return single;
	}
	return NULL;
}

static int
take_single(OCSP_SINGLERESP *single, struct ocsp_said *ret, struct err *err)
{
	ASN1_GENERALIZEDTIME *from = NULL;
	ASN1_GENERALIZEDTIME *until = NULL;
	int status = OCSP_single_get0_status(single, NULL, NULL, &from, &until);

	if (status != V_OCSP_CERTSTATUS_GOOD)
		return err_set(err,
			       status == V_OCSP_CERTSTATUS_REVOKED ? TG_ENOENT : TG_EINVAL,
			       "it says of the certificate: %s", OCSP_cert_status_str(status));
	if (until == NULL)
		return err_set(err, TG_EINVAL, "it does not say until when it holds");
	*ret = (struct ocsp_said){certificate_time(from), certificate_time(until)};
	return 0;
}

static int
take_basic(OCSP_BASICRESP *basic, const struct certificate *c, struct ocsp_said *ret,
	   struct err *err)
{
	X509 *issuer = issuer_of(c);
	OCSP_SINGLERESP *single;

	if (issuer == NULL)
		return err_set(err, TG_EINVAL,
			       "it cannot be checked: the certificate of who issued it is "
			       "not behind the first");
	single = find_single(basic, c->leaf, issuer);
	if (single == NULL)
		return err_set(err, TG_EINVAL, "it is about another certificate");
	if (!is_signed(basic, issuer))
		return err_set(err, TG_EINVAL,
			       "its signature is not of who issued the certificate");
	return take_single(single, ret, err);
}

int
ocsp_read(const char *der, size_t n, const struct certificate *c, struct ocsp_said *ret,
	  struct err *err)
{
	const unsigned char *at = (const unsigned char *)der;
	OCSP_RESPONSE *response = n <= LONG_MAX ? d2i_OCSP_RESPONSE(NULL, &at, (long)n) : NULL;
	OCSP_BASICRESP *basic = NULL;
	int rc;

	if (response == NULL || at != (const unsigned char *)der + n)
		rc = err_set(err, TG_EINVAL, "it is no OCSP response (DER)");
	else if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		rc = err_set(err, TG_EINVAL, "it says: %s",
			     OCSP_response_status_str(OCSP_response_status(response)));
	else if ((basic = OCSP_response_get1_basic(response)) == NULL)
		rc = err_set(err, TG_EINVAL, "it is of a kind that is not known");
	else
		rc = take_basic(basic, c, ret, err);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	return rc;
}

bool
ocsp_holds(const struct ocsp_said *said, struct wall now)
{
	return said->from.us <= now.us + SKEW_US && now.us < said->until.us;
}

/* what conf/ asks */

static void
warn_of_end(const struct ocsp_said *said, void (*warn)(void *user, const char *text), void *user)
{
	time_t seconds = (time_t)(said->until.us / 1000000);
	char text[96];
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL ||
	    strftime(text, sizeof(text),
		     "the OCSP response was good until %Y-%m-%d %H:%M:%S UTC: clients get none",
		     &tm) == 0)
		return;
	warn(user, text);
}

int
ocsp_check(const struct conf_pem *pem, const char *der, size_t n,
	   void (*warn)(void *user, const char *text), void *user, struct err *err)
{
	struct certificate c;
	struct ocsp_said said;
	int rc = certificate_read(pem->chain, pem->chain_n, NULL, 0, &c, err);

	if (rc < 0)
		return rc;
	rc = ocsp_read(der, n, &c, &said, err);
	certificate_fini(&c);
	if (rc == 0 && said.until.us <= wall_read().us)
		warn_of_end(&said, warn, user);
	return rc;
}
