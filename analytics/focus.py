"""The ledger's costs as a FOCUS dataset (FinOps Open Cost and Usage Specification, version 1.2).

One row per day, tenant, kind of pattern, machine and kind of charge; days and costs as in
`daily_costs` and `daily_storage`. All mandatory columns of the version, the conditional ones that
apply, and ours with the prefix `x_`. The ledger itself writes CSV or Parquet: no frame library.
It is the internal bill of an installation, so list, contracted, effective and billed cost are one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.errors import Rejected

from .link import Link

if TYPE_CHECKING:
    from datetime import date

    from .link import Address

VERSION: Final = "1.2"
FORMS: Final = {"csv": "CSVWithNames", "parquet": "Parquet"}
"""By the ending of the file."""
_SETTINGS: Final = {
    # 2026-11-03T00:00:00Z, and nothing at all for NULL, as the specification's formats say.
    "date_time_output_format": "iso",
    "format_csv_null_representation": "",
    "output_format_parquet_datetime_as_uint32": 0,
}
_SQL: Final = """
WITH
    machines AS (
        SELECT
            day, tenant, tier, model, version, recipe, experiment, arm, stage, pool, device, kind,
            price_id, currency, f.patterns AS of_patterns, f.price_per_hour AS unit_price,
            one.1 AS basis, one.2 AS money,
            if(basis = 'direct', toNullable(toDecimal128(f.duration_us, 6) / 1000000), NULL)
                AS consumed_s,
            if(basis = 'direct', toDecimal128(f.duration_us, 12) / 3600000000,
                if(f.price_per_hour = 0, toDecimal128(0, 12), one.2 / f.price_per_hour))
                AS priced_hours,
            if(stage = 'generate', 'AI and Machine Learning', 'Compute') AS category,
            multiIf(
                basis = 'direct', concat('Machine time of ', stage, ', ', kind),
                basis = 'load',
                concat('Starting, loading, warming of the machines of ', stage, ', by share'),
                concat('Idle and other time of the machines of ', stage, ', by share')
            ) AS told
        FROM daily_costs AS f
        ARRAY JOIN [
            ('direct', f.cost), ('load', f.load_cost),
            ('idle', f.loaded_cost - f.cost - f.load_cost)
        ] AS one
        WHERE toStartOfMonth(day) = {month:Date}
            AND (tenant = {tenant:String} OR {tenant:String} = '')
            AND (one.1 = 'direct' OR one.2 > 0)
    ),
    storage AS (
        SELECT
            day, tenant, '' AS tier, '' AS model, '' AS version, '' AS recipe, '' AS experiment,
            '' AS arm, 'shelf' AS stage, 'shelf' AS pool, 'storage' AS device, 'direct' AS kind,
            price_id, currency, 0 AS of_patterns, price_per_tb_hour AS unit_price,
            'storage' AS basis, f.cost AS money,
            toNullable(toDecimal128(f.stored_bytes, 6)) AS consumed_s,
            toDecimal128(f.stored_bytes, 12) * 24 / 1000000000000 AS priced_hours,
            'Storage' AS category, 'Files on the shelf' AS told
        FROM daily_storage AS f
        WHERE toStartOfMonth(day) = {month:Date}
            AND (tenant = {tenant:String} OR {tenant:String} = '')
            AND price_id != ''
    ),
    charges AS (SELECT * FROM machines UNION ALL SELECT * FROM storage)
SELECT
    money AS BilledCost,
    'heddle' AS BillingAccountId,
    'Heddle' AS BillingAccountName,
    currency AS BillingCurrency,
    toDateTime(toStartOfMonth(day + INTERVAL 1 MONTH), 'UTC') AS BillingPeriodEnd,
    toDateTime(toStartOfMonth(day), 'UTC') AS BillingPeriodStart,
    'Usage' AS ChargeCategory,
    CAST(NULL, 'Nullable(String)') AS ChargeClass,
    told AS ChargeDescription,
    'Usage-Based' AS ChargeFrequency,
    toDateTime(day + 1, 'UTC') AS ChargePeriodEnd,
    toDateTime(day, 'UTC') AS ChargePeriodStart,
    consumed_s AS ConsumedQuantity,
    if(consumed_s IS NULL, NULL, if(basis = 'storage', 'Bytes', 'Seconds')) AS ConsumedUnit,
    money AS ContractedCost,
    unit_price AS ContractedUnitPrice,
    money AS EffectiveCost,
    'Heddle' AS InvoiceIssuerName,
    money AS ListCost,
    unit_price AS ListUnitPrice,
    'Standard' AS PricingCategory,
    priced_hours AS PricingQuantity,
    if(basis = 'storage', 'TB-Hours', 'Hours') AS PricingUnit,
    'Heddle' AS ProviderName,
    'Heddle' AS PublisherName,
    concat(pool, '/', device) AS ResourceId,
    device AS ResourceName,
    if(basis = 'storage', 'Shelf', 'Machine') AS ResourceType,
    category AS ServiceCategory,
    'Heddle patterns' AS ServiceName,
    price_id AS SkuId,
    price_id AS SkuPriceId,
    tenant AS SubAccountId,
    tenant AS SubAccountName,
    toJSONString(mapFilter((name, word) -> word != '', map(
        'tier', toString(tier), 'model', toString(model), 'version', toString(version),
        'recipe', toString(recipe)))) AS Tags,
    arm AS x_Arm,
    basis AS x_CostBasis,
    experiment AS x_Experiment,
    kind AS x_Kind,
    model AS x_Model,
    version AS x_ModelVersion,
    of_patterns AS x_Patterns,
    recipe AS x_Recipe,
    stage AS x_Stage,
    tier AS x_Tier
FROM charges
ORDER BY ChargePeriodStart, SubAccountId, x_Stage, x_Tier, x_Model, x_ModelVersion, x_Recipe,
    x_Kind, x_CostBasis, ResourceId"""


def focus(address: Address, *, tenant: str, month: date, form: str) -> bytes:
    """The dataset of one tenant, or with an empty name of all, for one month.

    `form` is csv or parquet. Raises Rejected, Transient, Unusable.
    """
    if form not in FORMS:
        limit = "one of " + ", ".join(f".{one}" for one in FORMS)
        raise Rejected(f"no FOCUS file ends in .{form}", field="focus", limit=limit)
    link = Link(address)
    try:
        return link.raw(_SQL, FORMS[form], {"tenant": tenant, "month": month}, _SETTINGS)
    finally:
        link.close()
