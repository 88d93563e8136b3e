//! Tests of the file one level up.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};

use super::*;

/// A certificate that has signed itself, or that others are signed with.
type Issuer = CertifiedIssuer<'static, KeyPair>;

fn params(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["eu-1".to_owned()]).unwrap();
    change(&mut params);
    params
}

fn authority(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "authority");
}

fn expired(params: &mut CertificateParams) {
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
}

fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> Issuer {
    CertifiedIssuer::self_signed(params(change), KeyPair::generate().unwrap()).unwrap()
}

fn signed_by(issuer: &Issuer, change: impl FnOnce(&mut CertificateParams)) -> Issuer {
    CertifiedIssuer::signed_by(params(change), KeyPair::generate().unwrap(), issuer).unwrap()
}

/// The verdict on what the server shows, its own certificate first.
fn verdict(listed: &[&Issuer], shown: &[&Issuer]) -> Result<(), Error> {
    let listed: Vec<_> = listed.iter().map(|one| one.der().to_vec()).collect();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let shown: Vec<_> = shown.iter().map(|one| one.der().clone()).collect();
    let name = ServerName::try_from("eu-1").unwrap();
    let authorities = Authorities::new(&listed, provider);
    authorities.verify_server_cert(&shown[0], &shown[1..], &name, &[], UnixTime::now()).map(drop)
}

#[track_caller]
fn check(listed: &[&Issuer], shown: &[&Issuer], expected: Result<(), Error>) {
    // rustls never takes two errors of others for equal, so their texts are compared.
    let text = |verdict: Result<(), Error>| verdict.map_err(|error| format!("{error:?}"));
    assert_eq!(text(verdict(listed, shown)), text(expected));
}

fn unknown() -> Result<(), Error> {
    Err(CertificateError::UnknownIssuer.into())
}

#[test]
fn chains_up_to_an_authority_are_trusted() {
    let root = self_signed(authority);
    let between = signed_by(&root, |params| {
        authority(params);
        params.distinguished_name.push(rcgen::DnType::CommonName, "between");
    });
    let server = signed_by(&between, |_| {});
    check(&[&root], &[&server, &between], Ok(()));
    check(&[&between], &[&server], Ok(()));
    check(&[&root], &[&server], unknown());
    check(&[&self_signed(authority)], &[&server, &between], Err(CertificateError::BadSignature.into()));
}

#[test]
fn certificate_that_is_listed_is_trusted_whatever_it_is() {
    let leaf = signed_by(&self_signed(authority), |_| {});
    check(&[&leaf], &[&leaf], Ok(()));
    let both = self_signed(authority);
    check(&[&both], &[&both], Ok(()));
    let old = self_signed(expired);
    check(&[&old], &[&old], Err(CertificateError::Expired.into()));
    let client = self_signed(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    check(&[&client], &[&client], Err(CertificateError::InvalidPurpose.into()));
    let other = self_signed(|params| params.subject_alt_names.clear());
    let problem = verdict(&[&other], &[&other]).unwrap_err();
    assert!(matches!(problem, Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })), "{problem}");
}

#[test]
fn server_that_is_marked_as_authority_needs_an_authority_that_has_signed_it() {
    let root = self_signed(authority);
    let server = signed_by(&root, authority);
    check(&[&root], &[&server], Ok(()));
    check(&[&root], &[&server, &root], Ok(()));
    // The same names, another key.
    check(&[&self_signed(authority)], &[&server], unknown());
    check(&[&root], &[&signed_by(&root, |params| (authority(params), expired(params)).0)], {
        Err(CertificateError::Expired.into())
    });
    let between = signed_by(&root, authority);
    let further = signed_by(&between, authority);
    check(&[&root], &[&further, &between], Err(Distrust::ServerIsAuthority.into()));
}

#[test]
fn only_authorities_that_are_valid_vouch_for_others() {
    let leaf = self_signed(|_| {});
    check(&[&leaf], &[&signed_by(&leaf, |_| {})], unknown());
    let sealed = self_signed(|params| {
        authority(params);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    });
    check(&[&sealed], &[&signed_by(&sealed, |_| {})], unknown());
    let old = self_signed(|params| (authority(params), expired(params)).0);
    check(&[&old], &[&signed_by(&old, |_| {})], Err(Distrust::AuthorityNotValidNow.into()));
    check(&[&old], &[&signed_by(&old, authority)], Err(Distrust::AuthorityNotValidNow.into()));
    let renewed = self_signed(authority);
    check(&[&old, &renewed], &[&signed_by(&renewed, |_| {})], Ok(()));
}
