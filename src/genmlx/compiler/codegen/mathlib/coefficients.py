"""Polynomials of the library: minimax fits made for it, lowest power first, for float32 and for float64.

Each was fitted with Remez's exchange in 90 digits to the function and the range named above it, under the weight that
makes the error relative to the result; its coefficients were rounded one after the other, lowest first, the rest fitted
again each time. The comments give log2 of the largest weighted error after rounding. (The texts are hexadecimal
floats.)
"""

__all__ = ["COEFFICIENTS"]


def parse(text: str) -> tuple[float, ...]:
    return tuple(float.fromhex(word) for word in text.split())


# name: (float32, float64)
COEFFICIENTS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    # (e^r - 1 - r) / r^2, |r| <= ln(2)/2, error relative to r: -31.1, -61.5
    "exp": (
        parse("0x1p-1 0x1.555556p-3 0x1.5554f2p-5 0x1.111004p-7 0x1.6d429p-10 0x1.a242dap-13"),
        parse(
            """
            0x1p-1 0x1.5555555555559p-3 0x1.5555555555559p-5 0x1.111111110f5a1p-7 0x1.6c16c16c147e4p-10
            0x1.a01a01b07d00fp-13 0x1.a01a01b03da9ep-16 0x1.71ddf67ac6df7p-19 0x1.27e4c5ee972a2p-22
            0x1.af627b365a7afp-26 0x1.1f95949d3c0a8p-29
            """
        ),
    ),
    # (2^r - 1) / r, |r| <= 1/2, error relative to 1/r: -28.3, -57.7
    "exp2": (
        parse("0x1.62e43p-1 0x1.ebfbep-3 0x1.c6af78p-5 0x1.3b2a28p-7 0x1.5f0ad4p-10 0x1.4447dep-13"),
        parse(
            """
            0x1.62e42fefa39efp-1 0x1.ebfbdff82c5a1p-3 0x1.c6b08d704a163p-5 0x1.3b2ab6fba0679p-7
            0x1.5d87fe788eb45p-10 0x1.4309130e0d2dep-13 0x1.ffcbfcbfc4359p-17 0x1.62bfc93b6506bp-20
            0x1.b5245b958aa8bp-24 0x1.e618efc4aaa0cp-28 0x1.eaa8d3b15f0abp-32
            """
        ),
    ),
    # (2 atanh(s) - 2 s) / s^3 in z = s^2, |s| <= (sqrt(2) - 1)/(sqrt(2) + 1): -30.2, -59.5
    "log": (
        parse("0x1.55557ap-1 0x1.995ed4p-2 0x1.31e0d6p-2"),
        parse(
            """
            0x1.5555555555592p-1 0x1.999999997fef6p-2 0x1.24924941e495fp-2 0x1.c71c5210d69f4p-3 0x1.74663dc8fe64cp-3
            0x1.39a1cf720b1e2p-3 0x1.2f04d5ca5300cp-3
            """
        ),
    ),
    # (atanh(s) - s - s^3/3) / s^5 in z = s^2, the same range (the series goes on in pairs of floats): -28.8, -58.3
    "log5": (
        parse("0x1.999ap-3 0x1.24527cp-3 0x1.dfa264p-4"),
        parse(
            """
            0x1.9999999999b31p-3 0x1.2492492457b8dp-3 0x1.c71c722d8f218p-4 0x1.745ce9d529048p-4 0x1.3b1eeea864a09p-4
            0x1.0f7fab339800ep-4 0x1.0e44fddb3ff1ap-4
            """
        ),
    ),
    # (sin(r) - r) / r^3 in z = r^2, |r| <= 0.82 (pi/4, and what the rounding of k adds): -27.5, -57.1
    "sin": (
        parse("-0x1.55554p-3 0x1.110532p-7 -0x1.989536p-13"),
        parse(
            """
            -0x1.555555555554p-3 0x1.111111110eaa2p-7 -0x1.a01a019a56587p-13 0x1.71de33f930916p-19
            -0x1.ae5d3d5785928p-26 0x1.5d3df0ab90011p-33
            """
        ),
    ),
    # (cos(r) - 1 + r^2/2) / r^4 in z = r^2, |r| <= 0.82: -32.6, -63.2
    "cos": (
        parse("0x1.555548p-5 -0x1.6c0ad4p-10 0x1.998208p-16"),
        parse(
            """
            0x1.5555555555545p-5 -0x1.6c16c16c142f8p-10 0x1.a01a019b4619ep-16 -0x1.27e4f703ee555p-22
            0x1.1ee93ae912b7ep-29 -0x1.8f53c7dfb9b49p-37
            """
        ),
    ),
    # (asin(x) - x) / x^3 in z = x^2, |x| <= 1/2: -27.6, -59.8
    "asin": (
        parse("0x1.5555cap-3 0x1.330164p-4 0x1.748b32p-5 0x1.8ba79cp-6 0x1.59dab6p-5"),
        parse(
            """
            0x1.5555555555578p-3 0x1.333333332df19p-4 0x1.6db6db722b32ap-5 0x1.f1c71a8bb107bp-6 0x1.6e8bdfe45ab69p-6
            0x1.1c49de2834783p-6 0x1.ca2140e780bb2p-7 0x1.7577a674df905p-7 0x1.618a3cb6cc0a3p-7 0x1.e1619c664863ap-9
            0x1.65006f04feb9dp-6 -0x1.59f4d624ff51dp-6 0x1.0be40e236d3c5p-5
            """
        ),
    ),
    # (atan(t) - t) / t^3 in z = t^2, |t| <= tan(pi/8): -30.5, -59.5
    "atan": (
        parse("-0x1.55554ap-2 0x1.9991e4p-3 -0x1.23b9ccp-3 0x1.b2264ep-4 -0x1.f2ebe4p-5"),
        parse(
            """
            -0x1.555555555553dp-2 0x1.9999999995889p-3 -0x1.24924922ae54fp-3 0x1.c71c70e66e92ap-4
            -0x1.745cf8e6048c6p-4 0x1.3b1119ab549a4p-4 -0x1.10ebbd3814345p-4 0x1.df0f7d6107a47p-5
            -0x1.9cd33a8a0d122p-5 0x1.37d5e35fde041p-5 -0x1.2568b5aa9575p-6
            """
        ),
    ),
    # (sinh(x) - x) / x^3 in z = x^2, |x| <= 1: -31.5, -61.7
    "sinh": (
        parse("0x1.555556p-3 0x1.1110e2p-7 0x1.a02156p-13 0x1.75a6fap-19"),
        parse(
            """
            0x1.5555555555556p-3 0x1.111111111102p-7 0x1.a01a01a036c68p-13 0x1.71de3a3b6a813p-19
            0x1.ae646f979e454p-26 0x1.61171d1a0482p-33 0x1.b5bb63111777ap-41
            """
        ),
    ),
    # (tanh(x) - x) / x^3 in z = x^2, |x| <= 0.55: -29.8, -60.6
    "tanh": (
        parse("-0x1.55554cp-2 0x1.110d6cp-3 -0x1.b93274p-5 0x1.5986f6p-6 -0x1.9cb064p-8"),
        parse(
            """
            -0x1.555555555554fp-2 0x1.1111111110789p-3 -0x1.ba1ba1b97befp-5 0x1.664f48590149fp-6
            -0x1.226e2f03e42fep-7 0x1.d6d2989ff142p-9 -0x1.7d8fa94175474p-10 0x1.348230081dff6p-11
            -0x1.e95f487ef48f4p-13 0x1.5d4187bb768cfp-14 -0x1.468b0a9667ccfp-16
            """
        ),
    ),
    # erf(x) / x - 1 in z = x^2, |x| <= 1: -29.5, -55.9
    "erf": (
        parse("0x1.06eba8p-3 -0x1.81274p-2 0x1.ce2d5p-4 -0x1.b7fe9p-6 0x1.542e0ep-8 -0x1.a50ae6p-11 0x1.4c338ap-14"),
        parse(
            """
            0x1.06eba8214db68p-3 -0x1.812746b03799fp-2 0x1.ce2f21a03f9dap-4 -0x1.b82ce311acd65p-6
            0x1.565bccef20c1ap-8 -0x1.c02daebc0c2e8p-11 0x1.f9a296b349f5dp-14 -0x1.f4c8283922e6p-17
            0x1.b96ad6ac7f659p-20 -0x1.5b87f0ed7dbefp-23 0x1.d3b5475674904p-27 -0x1.a1aa13bfb4f45p-31
            """
        ),
    ),
    # e^(x^2) erfc(x) (1 + 2 x) in t = (x - c)/(x + c), 0.45 <= x <= 10.2 with c = 2 | 27.4 with c = 2.5: -26.7, -54.8
    "erfc": (
        parse(
            """
            0x1.46e80ep+0 -0x1.7bf5eap-4 -0x1.5407cap-3 0x1.4ff97ep-3 -0x1.bc1dbcp-5 -0x1.06ad7ep-7 0x1.1bd882p-7
            0x1.3586d2p-10 -0x1.4b5802p-10 -0x1.15d2p-12
            """
        ),
        parse(
            """
            0x1.43cc6f6c9672cp+0 -0x1.f52c5d7e22304p-4 -0x1.959ac16f854bp-4 0x1.42d379989b622p-3
            -0x1.a5c0c8a40dbfep-4 0x1.0c6092a5a435p-5 0x1.e89489da9df9dp-11 -0x1.1f2f132a66dfp-8
            0x1.01e116a64b1ebp-11 0x1.4b6a4cb300dd1p-11 -0x1.731a73cab9e38p-14 -0x1.dc26597620644p-14
            0x1.a4192e60f67f9p-18 0x1.7ce6252704f83p-16 0x1.608ca2028ac25p-19 -0x1.1bfa73021ddddp-18
            -0x1.b23f8093e0bd4p-20 0x1.2b95ee009eaecp-21 0x1.30fb9dd69ffc1p-21 -0x1.22bd07466e5e5p-27
            -0x1.341888c06e69dp-23 -0x1.53e7defeba601p-27 0x1.60dea22c1501dp-26
            """
        ),
    ),
    # erfinv(x) / x in w - 2.875, w = -log(1 - x^2) <= 5.75: -25.0, -54.0
    "erfinv": (
        parse(
            """
            0x1.97df4p+0 0x1.f1b6aep-3 -0x1.624edcp-8 -0x1.ea8fe4p-11 0x1.a95e4ap-13 -0x1.788bb4p-17 -0x1.2cf9a2p-19
            0x1.effcc8p-22 -0x1.8cdffcp-29 -0x1.a5d584p-28 0x1.dd0d42p-33
            """
        ),
        parse(
            """
            0x1.97df3f3ad5facp+0 0x1.f1b6ac5ac8dep-3 -0x1.624a460b1408p-8 -0x1.ea89c251cc088p-11
            0x1.a8d1013cc24d8p-13 -0x1.79aac450d88bap-17 -0x1.20b8e96444d9fp-19 0x1.f90518067ae7ep-22
            -0x1.1fbfd33ace4dfp-26 -0x1.d86e459f4e885p-28 0x1.37e3cb9c8c042p-30 -0x1.307364127c24bp-39
            -0x1.7d0c06f0d7a02p-36 0x1.6d0305d36184dp-39 0x1.093a488ea2f13p-43 -0x1.22a8d4c0e1f93p-44
            0x1.774f04145fa1ap-48 0x1.704f28b0e0c97p-51 -0x1.9088e7bc4846fp-53 0x1.51e8ea3790b69p-57
            0x1.60c132fbdf53dp-59 -0x1.196695cce2073p-61 -0x1.5207218d8a335p-67 0x1.0d659b38d36a5p-67
            """
        ),
    ),
    # erfinv(x) / x in sqrt(w) - 3.25 | 3.1875, 5.74 <= w <= 16.8 | 16: -25.6, -54.2
    "erfinv_tail": (
        parse(
            """
            0x1.8abcc4p+1 0x1.0158a8p+0 0x1.5fdec8p-8 -0x1.ebe6b4p-9 0x1.476b26p-9 -0x1.b7bbd8p-10 0x1.f7e5fcp-11
            -0x1.8fc8a8p-12 -0x1.c167fap-16 0x1.8f1c94p-14
            """
        ),
        parse(
            """
            0x1.82b2b64c9249bp+1 0x1.01299a9ecf575p+0 0x1.9231e1df7d106p-8 -0x1.234c6b5403336p-8 0x1.936e61b9ca91p-9
            -0x1.0ffbc1388bf59p-9 0x1.22e5ff4b380e3p-10 -0x1.754c2835e303dp-12 -0x1.84c4fdeb7ff39p-16
            0x1.a4d7d5e1caadfp-14 -0x1.cbff504a834e6p-15 0x1.2b4c0370f30b8p-17 0x1.c1c10984d769ap-18
            -0x1.6094f6576700ap-18 0x1.6a90bff5fb3bep-20 0x1.364ede151e47fp-22 -0x1.8b85fa28bf9c8p-22
            0x1.36a265ea8f08ep-23 -0x1.0c668e87989e3p-26 -0x1.b9337d175f3b6p-26 0x1.d10a87158d99dp-27
            """
        ),
    ),
    # erfinv(x) / x in sqrt(w) - 5, 16 <= w <= 36.1 (float64 only: a float32 below 1 has w < 16.7): -55.6
    "erfinv_far": (
        (),
        parse(
            """
            0x1.3664ddd1ad7fbp+2 0x1.02a30d1fba10bp+0 -0x1.22ea5df23797fp-13 -0x1.c2f36aa15f699p-13
            0x1.3ebf4f0fbcdcdp-14 -0x1.4a34902fc8073p-16 0x1.2fbcf1517dafp-18 -0x1.0a9046edf8225p-20
            0x1.ebea5fc1d4c6ep-23 -0x1.2230c9b93b5c3p-24 0x1.f1eda827462bcp-26 -0x1.05c84f90505a2p-26
            0x1.0eaaa3036c8b2p-27 -0x1.dfaae0ebfe56p-29 0x1.5b80e0b5d887cp-30 -0x1.d55f801fdd0fbp-32
            0x1.a3d2ba9ebd901p-34 0x1.631cce5ca3c5bp-35 -0x1.c5c9d80a842dep-36
            """
        ),
    ),
    # lgamma(2 + t) / t, -3/4 <= t <= 1/4: -25.9, -56.2
    "lgamma": (
        parse(
            """
            0x1.b0ee6p-2 0x1.4a34ccp-2 -0x1.13deaep-4 0x1.513c34p-6 -0x1.e64f1ep-8 0x1.6c72aap-9 -0x1.102afp-10
            0x1.9a96dep-10 0x1.626e94p-10 0x1.ea6588p-11
            """
        ),
        parse(
            """
            0x1.b0ee6072093cep-2 0x1.4a34cc4a60fa6p-2 -0x1.13e001a5574c9p-4 0x1.51322ac7d9262p-6
            -0x1.e404fc2240c92p-8 0x1.7add6ea87dd8ep-9 -0x1.38ac5ba2d7e2fp-10 0x1.0b36b51ba0483p-11
            -0x1.d3fd972269048p-13 0x1.a122a2587bfc3p-14 -0x1.78e21512cf27dp-15 0x1.58f962eeaa8e6p-16
            -0x1.38032cfed7e6ep-17 0x1.1ffe4d481dab8p-18 -0x1.9341c70e9df6p-19 -0x1.ca4e4583835d6p-21
            -0x1.c66b4c148efa7p-20 0x1.3f89679cc1d09p-21 0x1.0b5f577a672ap-20 0x1.353617e96fd9bp-21
            """
        ),
    ),
    # x (lgamma(x) - (x - 1/2) log(x) + x - log(2 pi)/2) in z = 1/x^2, x >= 8, error in lgamma(8): -31.2, -60.7
    "stirling": (
        parse("0x1.55554ep-4 -0x1.6a5e4cp-9"),
        parse(
            """
            0x1.5555555555553p-4 -0x1.6c16c16bba77ap-9 0x1.a019fd4e56cf9p-11 -0x1.380ecd19a5ec7p-11
            0x1.b6fe3a49d7166p-11 -0x1.b165693feae58p-10
            """
        ),
    ),
    # digamma(1.5 + t) / (1.5 + t - x0), |t| <= 1/2, x0 its root: -26.7, -53.5
    "digamma": (
        parse(
            """
            0x1.e6f0ccp-1 -0x1.b1cb64p-2 0x1.eca0dap-3 -0x1.2feddp-3 0x1.8534fap-4 -0x1.fbdbc8p-5 0x1.4bbb98p-5
            -0x1.ac191ep-6 0x1.301c38p-6 -0x1.020bfcp-6 0x1.206ca8p-7
            """
        ),
        parse(
            """
            0x1.e6f0cbb873616p-1 -0x1.b1cb63005ee96p-2 0x1.eca189b8e7528p-3 -0x1.2feeeb98a8083p-3
            0x1.8512e58fc9c8p-4 -0x1.fb442029511d4p-5 0x1.4de9aa4c17fd4p-5 -0x1.b9f8b16ae112fp-6
            0x1.256464b7dce0ep-6 -0x1.863554234e309p-7 0x1.03c27b090c4dep-7 -0x1.5a0886ea7dafep-8
            0x1.cccecdf99f68p-9 -0x1.334a4c04181ep-9 0x1.9e6c85fc224cbp-10 -0x1.115519c6df48bp-10
            0x1.3f7e2afeea438p-11 -0x1.e644a8b7fcb66p-12 0x1.2557468c4e13p-11 -0x1.8baa0caac75cfp-13
            -0x1.2e134cea0f46cp-12 -0x1.28bb68d5adf8ep-13 0x1.990d9dd6799fep-12
            """
        ),
    ),
    # x^2 (log(x) - 1/(2 x) - digamma(x)) in z = 1/x^2, x >= 8, error in digamma(8): -31.7, -59.9
    "digamma_tail": (
        parse("0x1.5554e8p-4 -0x1.0e499ep-7"),
        parse(
            """
            0x1.5555555555334p-4 -0x1.1111110bd6da6p-7 0x1.04102fe49c4afp-8 -0x1.11041c0eee688p-8
            0x1.eb796abb1625cp-8 -0x1.1adfc995cb705p-6
            """
        ),
    ),
}
