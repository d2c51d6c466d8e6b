import { Controller, Get, Header, Headers, Inject, StreamableFile } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { AccessBySetting } from '../http/route-access.js';
import { CONTENT_TYPES, expositionFor } from './exposition.js';
import { Metrics } from './metrics.js';

@ApiTags('operations')
@Controller('metrics')
export class MetricsController {
  constructor(@Inject(Metrics) private readonly metrics: Metrics) {}

  @Get()
  @AccessBySetting('METRICS_ACCESS', { unlimited: true })
  @Header('vary', 'Accept')
  @ApiHeader({ name: 'Accept', required: false, description: 'text/plain (default) or application/openmetrics-text' })
  @ApiProduces('text/plain', 'application/openmetrics-text')
  @ApiOperation({ summary: 'Metrics in the Prometheus text format, or as OpenMetrics with exemplars' })
  async scrape(@Headers('accept') accept: string | undefined): Promise<StreamableFile> {
    const exposition = expositionFor(accept);
    return new StreamableFile(Buffer.from(await this.metrics.expose(exposition)), { type: CONTENT_TYPES[exposition] });
  }
}
