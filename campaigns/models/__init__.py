from campaigns.models.answer_sample import AnswerSample
from campaigns.models.audience_choice import AudienceChoice
from campaigns.models.batch import Batch, Lane, Retry
from campaigns.models.campaign import Campaign, CampaignSegment
from campaigns.models.delivery import Delivery, Receipt, ReceiptKind
from campaigns.models.message import Message, Recipient
from campaigns.models.service import ServiceMinute, ServiceState, TokenBucket
from campaigns.models.totals import Breakdown, CampaignMinute, CampaignTotal, MessageTotal, SiteDay

__all__ = [
    "AnswerSample",
    "AudienceChoice",
    "Batch",
    "Breakdown",
    "Campaign",
    "CampaignMinute",
    "CampaignSegment",
    "CampaignTotal",
    "Delivery",
    "Lane",
    "Message",
    "MessageTotal",
    "Receipt",
    "ReceiptKind",
    "Recipient",
    "Retry",
    "ServiceMinute",
    "ServiceState",
    "SiteDay",
    "TokenBucket",
]
