//! Why TLS failed, and what to do about it.

use std::fmt;

use super::{ConnectionFailure, Peer};
use crate::error::{ConnectionKind, Excerpt};

/// Returns the error of a TLS handshake.
pub(crate) fn handshake(error: ureq::Error, peer: Peer) -> ureq::Error {
    match error {
        ureq::Error::Tls(why) => failed(ConnectionKind::TlsRefused, &why, peer).into(),
        #[cfg(feature = "rustls")]
        ureq::Error::Rustls(error) => failed(kind_of_rustls(&error), &error, peer).into(),
        #[cfg(feature = "native-tls")]
        ureq::Error::NativeTls(error) => of_system(&error, peer),
        ureq::Error::Io(error) => {
            #[cfg(feature = "rustls")]
            if let Some(failure) = of_rustls(&error, peer) {
                return failure.into();
            }
            let what = match peer {
                Peer::Server => "the connection was lost during the TLS handshake",
                Peer::Proxy => "the connection to the proxy was lost during the TLS handshake",
            };
            ConnectionFailure::new(ConnectionKind::NotConnected, what, Some(error)).into()
        }
        other => other,
    }
}

/// Returns the failure of an I/O error that is one of rustls, and not, say, of decompression.
#[cfg(feature = "rustls")]
pub(super) fn of_rustls(error: &std::io::Error, peer: Peer) -> Option<ConnectionFailure> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(failed(kind_of_rustls(error), error, peer))
}

/// Returns what an error of rustls says about further attempts.
#[cfg(feature = "rustls")]
fn kind_of_rustls(error: &rustls::Error) -> ConnectionKind {
    use rustls::{AlertDescription, Error};
    match error {
        // The other side's own trouble, or bytes that were damaged on the way.
        Error::AlertReceived(
            AlertDescription::InternalError
            | AlertDescription::UserCanceled
            | AlertDescription::CloseNotify
            | AlertDescription::BadRecordMac,
        )
        | Error::DecryptError
        | Error::FailedToGetRandomBytes
        | Error::FailedToGetCurrentTime => ConnectionKind::Lost,
        _ => ConnectionKind::TlsRefused,
    }
}

/// Returns the error for an error of the operating system's TLS library.
#[cfg(feature = "native-tls")]
pub(crate) fn of_system(error: &dyn fmt::Display, peer: Peer) -> ureq::Error {
    let why = error.to_string();
    failed(kind_of_system(&why), &why, peer).into()
}

/// Does the same as for rustls by the library's words: its error types cannot be named here.
///
/// The words of Windows may be translated; its codes are not.
#[cfg(feature = "native-tls")]
fn kind_of_system(why: &str) -> ConnectionKind {
    const PASSING: [&str; 8] = [
        "alert internal error",
        "alert user cancel",
        "bad record mac",
        "alert number 80",      // internal_error
        "alert number 90",      // user_canceled
        "os error -2146893052", // SEC_E_INTERNAL_ERROR
        "os error -2146893041", // SEC_E_MESSAGE_ALTERED
        "os error -2146893008", // SEC_E_DECRYPT_FAILURE
    ];
    match says(&why.to_ascii_lowercase(), &PASSING) {
        true => ConnectionKind::Lost,
        false => ConnectionKind::TlsRefused,
    }
}

/// Returns the failure of TLS: what is wrong with the server's certificate or with ours, and what to
/// do.
fn failed(kind: ConnectionKind, why: &dyn fmt::Display, peer: Peer) -> ConnectionFailure {
    let why = why.to_string();
    let tls = match peer {
        Peer::Server => "TLS failed",
        Peer::Proxy => "TLS with the proxy failed",
    };
    let (suspicion, advice) = advice(&why);
    let what = format!("{tls}: {suspicion}{}{advice}", Excerpt(&why, 300));
    ConnectionFailure::new(kind, &what, None)
}

/// Returns what comes before and after the words of a TLS library: rustls, OpenSSL, Secure Transport
/// or SChannel.
fn advice(why: &str) -> (&'static str, &'static str) {
    const OUT_OF_DATE: [&str; 5] = [
        "expired",
        "not valid yet",
        "not yet valid",
        "os error -2146893016", // SEC_E_CERT_EXPIRED
        "os error -2146762495", // CERT_E_EXPIRED
    ];
    const OTHER_NAME: [&str; 7] = [
        "not valid for name",
        "hostname mismatch",
        "ip address mismatch",
        "host name mismatch",
        "name does not match",
        "os error -2146893022", // SEC_E_WRONG_PRINCIPAL
        "os error -2146762481", // CERT_E_CN_NO_MATCH
    ];
    const WANTS_A_CERTIFICATE: [&str; 2] = ["certificaterequired", "certificate required"];
    const UNTRUSTED: [&str; 14] = [
        "unknownissuer",
        "unknown issuer",
        "badsignature",
        "certificate signature failure",
        "self-signed",
        "self signed",
        "local issuer",
        "unable to verify the first certificate",
        "not trusted",
        "unknown root",
        "user-specified roots",
        "os error -2146893019", // SEC_E_UNTRUSTED_ROOT
        "os error -2146762487", // CERT_E_UNTRUSTEDROOT
        "os error -2146762486", // CERT_E_CHAINING
    ];
    let why = why.to_ascii_lowercase();
    if says(&why, &OUT_OF_DATE) {
        (
            "",
            "; check the clock of this machine, or have the certificate renewed",
        )
    } else if says(&why, &OTHER_NAME) {
        (
            "",
            "; check the host in the URL, and whether something intercepts the connection",
        )
    } else if says(&why, &WANTS_A_CERTIFICATE) {
        (
            "",
            "; the server wants a certificate: give one with ClientBuilder::client_certificate",
        )
    } else if says(&why, &UNTRUSTED) {
        (
            "the certificate is not trusted, so something may intercept the connection, such as a \
             proxy or a virus scanner: ",
            "; if the server has a private authority, trust it with \
             ClientBuilder::root_certificates",
        )
    } else {
        ("", "")
    }
}

fn says(why: &str, words: &[&str]) -> bool {
    words.iter().any(|words| why.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_depends_on_the_defect_in_the_words_of_any_library() {
        const UNTRUSTED: &str = "a private authority";
        const CLOCK: &str = "the clock";
        const NAME: &str = "the host in the URL";
        const CLIENT: &str = "ClientBuilder::client_certificate";
        for (why, expected) in [
            // rustls.
            ("invalid peer certificate: UnknownIssuer", UNTRUSTED),
            ("invalid peer certificate: BadSignature", UNTRUSTED),
            ("invalid peer certificate: certificate not valid yet", CLOCK),
            ("certificate not valid for name \"api.test\"", NAME),
            ("received fatal alert: CertificateRequired", CLIENT),
            ("received fatal alert: UnknownCA", ""),
            ("received fatal alert: HandshakeFailure", ""),
            // OpenSSL.
            (
                "certificate verify failed (self-signed certificate in certificate chain)",
                UNTRUSTED,
            ),
            (
                "certificate verify failed (unable to get local issuer certificate)",
                UNTRUSTED,
            ),
            (
                "certificate verify failed (certificate signature failure)",
                UNTRUSTED,
            ),
            ("certificate verify failed (certificate has expired)", CLOCK),
            (
                "certificate verify failed (certificate is not yet valid)",
                CLOCK,
            ),
            ("certificate verify failed (hostname mismatch)", NAME),
            ("certificate verify failed (IP address mismatch)", NAME),
            (
                "ssl3_read_bytes:tlsv13 alert certificate required:SSL alert number 116",
                CLIENT,
            ),
            ("tlsv1 alert unknown ca:SSL alert number 48", ""),
            ("wrong version number", ""),
            // Secure Transport.
            ("The certificate was not trusted.", UNTRUSTED),
            ("Unknown root certificate", UNTRUSTED),
            ("An expired certificate was detected.", CLOCK),
            ("A host name mismatch has occurred.", NAME),
            // SChannel, in any language.
            ("Zertifikatskette (os error -2146762487)", UNTRUSTED),
            ("Zertifikatskette (os error -2146762486)", UNTRUSTED),
            ("Zertifikatskette (os error -2146893019)", UNTRUSTED),
            (
                "unable to find any user-specified roots in the final cert chain",
                UNTRUSTED,
            ),
            ("Zielprinzipalname (os error -2146893022)", NAME),
            ("CN-Name (os error -2146762481)", NAME),
            ("Zeitraum (os error -2146762495)", CLOCK),
            ("Zeitraum (os error -2146893016)", CLOCK),
        ] {
            let (suspicion, found) = advice(why);
            let suspicious = expected == UNTRUSTED;
            assert_eq!(suspicion.contains("may intercept"), suspicious, "{why}");
            assert!(found.contains(expected), "{why}: {found}");
            assert_eq!(found.is_empty(), expected.is_empty(), "{why}: {found}");
        }
    }

    #[cfg(feature = "native-tls")]
    #[test]
    fn passing_trouble_of_the_other_side_is_retried_with_a_system_library() {
        for why in [
            "error:0A000438:SSL routines:ssl3_read_bytes:tlsv1 alert internal error:\
             ../ssl/record/rec_layer_s3.c:1605:SSL alert number 80",
            "ssl3_read_bytes:tlsv1 alert user cancelled:SSL alert number 90",
            "ssl3_read_bytes:sslv3 alert bad record mac:SSL alert number 20",
            "tls_get_more_records:decryption failed or bad record mac",
            "Interner Fehler (os error -2146893052)",
            "Die Nachricht wurde verfälscht (os error -2146893041)",
        ] {
            assert_eq!(kind_of_system(why), ConnectionKind::Lost, "{why}");
        }
        for why in [
            "certificate verify failed (certificate has expired)",
            "ssl3_read_bytes:tlsv13 alert certificate required:SSL alert number 116",
            "ssl3_read_bytes:sslv3 alert handshake failure:SSL alert number 40",
            "wrong version number",
            "Zertifikatskette (os error -2146762487)",
        ] {
            assert_eq!(kind_of_system(why), ConnectionKind::TlsRefused, "{why}");
        }
    }
}
