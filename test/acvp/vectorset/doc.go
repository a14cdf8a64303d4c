// Package vectorset answers and checks NIST ACVP vector sets with the code of
// protocol/kas, so that the official vectors test what the channel uses.
//
// Answered are KDA OneStep Sp800-56Cr1 and Cr2, KAS-KC Sp800-56 (HMAC), KAS-ECC
// 1.0 (VAL groups of fullUnified, onePassDh and staticUnified on P-224 to
// P-521), ACVP-AES-KWP 1.0 and ACVP-AES-CTR 1.0 (256 bits), HMAC-SHA2-512 1.0
// and 2.0. Groups outside of that are skipped and counted; a group inside that
// cannot be answered is an error.
package vectorset
