"""The run's configuration: every option with its unit, range, default and description."""

from lstsr.config.acquire import AcquireConfig, AgedReferenceConfig, GenerateConfig
from lstsr.config.align import AlignConfig, Covariate, GridConfig, RegistrationConfig
from lstsr.config.channels import HISTORY, AlignedLayer, Layer, channels_of, unregistered
from lstsr.config.dataset import Block, DatasetConfig
from lstsr.config.evaluate import EvaluateConfig
from lstsr.config.models import ModelConfig
from lstsr.config.reading import check_keys, load, resolved_path, save_resolved, schema, validate
from lstsr.config.run import Config
from lstsr.config.section import Section
from lstsr.config.sensors import (
    AmiBand,
    CloudTestConfig,
    GeotiffConfig,
    Gk2aConfig,
    Gk2aL1bConfig,
    Goci2Config,
    Goci2L1bConfig,
    LandsatConfig,
    SensorConfig,
    SensorsConfig,
)
from lstsr.config.split import Region, SplitConfig
from lstsr.rows import AdversarialSettings, Row, TrainSettings
